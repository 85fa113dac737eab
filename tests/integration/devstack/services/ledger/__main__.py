"""A service that migrates one table and serves nothing but its health."""

import asyncio
import os
import sys

import asyncpg
import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc


async def migrate() -> None:
    connection = await asyncpg.connect(os.environ["PORTRAIT_LEDGER_DATABASE_URL"])
    await connection.execute("CREATE TABLE IF NOT EXISTS entries (amount integer)")
    await connection.close()


async def serve() -> None:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(f"127.0.0.1:{os.environ['PORTRAIT_LEDGER_PORT']}")
    await server.start()
    await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(migrate() if sys.argv[1:] == ["migrate"] else serve())
