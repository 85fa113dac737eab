"""Chaos ends well however it is ended: what Ctrl-C undoes, SIGTERM undoes too."""

import signal

signal.signal(signal.SIGTERM, signal.default_int_handler)
