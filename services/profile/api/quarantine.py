"""`profile.v1.Quarantine`."""

from typing import Any, Final

import grpc
from portrait.profile.v1 import quarantine_service_pb2 as quarantine_pb
from portrait.profile.v1 import quarantine_service_pb2_grpc as quarantine_rpc

from libs.rpc.caller import calling_tenant
from libs.rpc.pages import BigInt, Id, next_page, page_cursor
from services.profile.api.results import answered
from services.profile.codec import interactions
from services.profile.handlers import Mending
from services.profile.quarantine import SHOWN_BYTES, QuarantineStore

PAGE: Final = 50
PAGE_BYTES: Final = 2 * 1024 * 1024

Context = grpc.aio.ServicerContext[Any, Any]


class QuarantineService(quarantine_rpc.QuarantineServicer):
    """`profile.v1.Quarantine`."""

    def __init__(self, store: QuarantineStore, mending: Mending) -> None:
        self._store = store
        self._mending = mending

    async def ListQuarantined(
        self, request: quarantine_pb.ListQuarantinedRequest, context: Context
    ) -> quarantine_pb.ListQuarantinedResponse:
        limit = request.page_size or PAGE
        before = page_cursor(request, tuple[BigInt, Id]) or (2**62, bytes(16))
        found, total = await self._store.list(calling_tenant(), request.reason, before=before, limit=limit + 1)
        response = quarantine_pb.ListQuarantinedResponse(total=total)
        size = 0
        for index, one in enumerate(found):
            size += min(len(one.document), SHOWN_BYTES)
            if index == limit or (index and size > PAGE_BYTES):
                last = found[index - 1]
                response.next_page_token = next_page(request, (last.arrived_at, last.id))
                break
            response.interactions.append(interactions.in_quarantine(one))
        return response

    async def Reprocess(
        self, request: quarantine_pb.ReprocessRequest, context: Context
    ) -> quarantine_pb.ReprocessResponse:
        items = [(bytes.fromhex(item.quarantine_id), item.document) for item in request.items]
        collected = await self._mending.reprocess(calling_tenant(), items)
        return answered(quarantine_pb.ReprocessResponse(), collected)

    async def Discard(self, request: quarantine_pb.DiscardRequest, context: Context) -> quarantine_pb.DiscardResponse:
        ids = [bytes.fromhex(one) for one in request.quarantine_ids]
        discarded = await self._mending.discard(calling_tenant(), ids, request.reason)
        return quarantine_pb.DiscardResponse(discarded=discarded)
