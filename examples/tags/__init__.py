"""What the scenarios' tags are read and tried with, without a service."""
