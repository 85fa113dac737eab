"""The portrait of a group as one HTML file that needs no network; nothing else here needs plotly."""
