"""The smallest service that consumes another's log: it counts events per key, and records every change in its own log.

It puts relay, consumer and log under the loads and faults that the real consumers will meet.
"""
