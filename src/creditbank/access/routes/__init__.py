"""Endpoints of the programs that may call the API, and of the audit log."""

from fastapi import APIRouter

from creditbank.access.routes import audit, clients

router = APIRouter()
for part in (clients, audit):
    router.routes.extend(part.router.routes)
