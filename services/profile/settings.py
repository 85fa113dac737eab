"""What the profile service can be told by its environment."""

from pydantic import Field

from libs.runtime.settings import Port, ServiceSettings, settings_of


class ProfileSettings(ServiceSettings):
    """Settings of the profile service; `python -m services.profile --help` lists them."""

    model_config = settings_of("profile")

    port: Port = Field(default=7101, description="port of the gRPC server; 0 takes a free one")
    partitions: int = Field(
        default=8, ge=1, le=1024, description="partitions of the interactions log; fixed once it is created"
    )
    queue_events: int = Field(
        default=20_000, ge=2_500, description="interactions that may wait for an append before callers hear QUEUE_FULL"
    )
    range_events: int = Field(
        default=5_000_000, ge=1_000, description="interactions that one range of the log should hold"
    )
    archive: str | None = Field(
        default=None,
        description="folder or URL (s3://bucket/path) that old ranges of the log move to; unset: they stay",
    )
    archive_days: int = Field(default=90, ge=1, description="days after which a range of the log moves to the archive")
    message_id_days: int = Field(
        default=7, ge=1, description="days for which a repeated message_id counts once; those of imports never expire"
    )
    tail_events: int = Field(
        default=16, ge=1, description="unfolded interactions of an anchor that make a new snapshot of its portrait due"
    )
    identity: str | None = Field(
        default=None, description="host:port of the identity service; unset: every anchor is a person of its own"
    )
    identity_partitions: int = Field(default=8, ge=1, le=1024, description="partitions of the identity log")
    database_connections: int = Field(
        default=8, ge=3, description="connections to the database at the most, for portraits and for all else each"
    )
