"""What the tagging service can be told by its environment."""

from pydantic import Field

from libs.runtime.settings import Port, ServiceSettings, settings_of


class TaggingSettings(ServiceSettings):
    """Settings of the tagging service; `python -m services.tagging --help` lists them."""

    model_config = settings_of("tagging")

    port: Port = Field(default=7103, description="port of the gRPC server; 0 takes a free one")
    source: str = Field(
        default="127.0.0.1:7101", description="host:port of the profile service, whose interactions are consumed"
    )
    source_partitions: int = Field(default=8, ge=1, le=1024, description="partitions of the interactions log")
    identity: str = Field(
        default="127.0.0.1:7102", description="host:port of the identity service, which says who is who"
    )
    identity_partitions: int = Field(default=8, ge=1, le=1024, description="partitions of the identity log")
    partitions: int = Field(
        default=8, ge=1, le=1024, description="partitions of the tags log; fixed once it is created"
    )
    range_events: int = Field(
        default=5_000_000, ge=1_000, description="events that one range of the tags log should hold"
    )
    message_id_days: int = Field(default=7, ge=1, description="days for which a repeated request_id counts once")
    evaluation_portion: int = Field(
        default=500, ge=1, le=10_000, description="people who are answered in one transaction"
    )
    exports: str = Field(
        default="",
        description="folder that files of members are written to, by tenant; unset: there are none",
    )
    columns_mb: int = Field(
        default=512,
        ge=0,
        description="megabytes of memory for columns, from which edited conditions are counted at once; 0: none",
    )
    columns_idle_seconds: int = Field(
        default=600, ge=10, description="seconds after which columns that nobody asks anything are let go of"
    )
    database_connections: int = Field(default=16, ge=8, description="connections to the database at the most")
