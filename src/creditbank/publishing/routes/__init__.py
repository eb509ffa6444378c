"""Endpoints of the life of rule sets, of trying them out, and of the accreditation registers that rules read."""

from fastapi import APIRouter

from creditbank.publishing.routes import accreditations, trials, versions

router = APIRouter()
for part in (versions, trials, accreditations):
    router.routes.extend(part.router.routes)
