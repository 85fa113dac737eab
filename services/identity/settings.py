"""What the identity service can be told by its environment."""

from pydantic import Field

from libs.runtime.settings import Port, ServiceSettings, settings_of


class IdentitySettings(ServiceSettings):
    """Settings of the identity service; `python -m services.identity --help` lists them."""

    model_config = settings_of("identity")

    port: Port = Field(default=7102, description="port of the gRPC server; 0 takes a free one")
    source: str = Field(
        default="127.0.0.1:7101", description="host:port of the profile service, whose interactions are consumed"
    )
    consumes: bool = Field(
        default=True,
        description="false: only answer calls, quickly because never busy otherwise; other replicas consume",
    )
    source_partitions: int = Field(default=8, ge=1, le=1024, description="partitions of the interactions log")
    partitions: int = Field(
        default=8, ge=1, le=1024, description="partitions of the identity log; fixed once it is created"
    )
    range_events: int = Field(
        default=5_000_000, ge=1_000, description="events that one range of the identity log should hold"
    )
    archive: str | None = Field(
        default=None,
        description="folder or URL (s3://bucket/path) that old ranges of the log move to; unset: they stay",
    )
    archive_days: int = Field(default=90, ge=1, description="days after which a range of the log moves to the archive")
    message_id_days: int = Field(default=7, ge=1, description="days for which a repeated request_id counts once")
    largest_neighbourhood: int = Field(
        default=5_000,
        ge=2,
        description="identifiers that are resolved together in passing; more wait for the slow lane",
    )
    preview_memory_mb: int = Field(
        default=4_000,
        ge=64,
        description="memory that saying what other rules would change may take; a million identifiers want 1,500 MB",
    )
    database_connections: int = Field(default=8, ge=4, description="connections to the database at the most")
