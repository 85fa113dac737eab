"""Pairs of people who may be one: not answered yet."""

from typing import NoReturn

import grpc
from portrait.identity.v1 import identities_service_pb2 as pb

from services.identity.api.parts import Context, Methods


class SuggestingMethods(Methods):
    """`ListSuggestions`, `AcceptSuggestion`, `RejectSuggestion`."""

    async def ListSuggestions(self, request: pb.ListSuggestionsRequest, context: Context) -> pb.ListSuggestionsResponse:
        await _not_answered(context)

    async def AcceptSuggestion(
        self, request: pb.AcceptSuggestionRequest, context: Context
    ) -> pb.AcceptSuggestionResponse:
        await _not_answered(context)

    async def RejectSuggestion(
        self, request: pb.RejectSuggestionRequest, context: Context
    ) -> pb.RejectSuggestionResponse:
        await _not_answered(context)


async def _not_answered(context: Context) -> NoReturn:
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, "nobody suggests anything yet")
