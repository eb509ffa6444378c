"""Endpoints of claims, evidence, rulings and the work list."""

from fastapi import APIRouter

from creditbank.claims.routes import claims, evidence, reviews, rulings

router = APIRouter()
for part in (evidence, claims, rulings, reviews):
    router.routes.extend(part.router.routes)
