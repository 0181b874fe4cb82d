"""Reviews: somebody may ask to be shown what an invoice passed without."""

from alembic import op

revision = "0027"
down_revision = "0026"


def _decisions(*kinds: str) -> None:
    named = ", ".join(f"'{kind}'" for kind in kinds)
    op.execute(
        f"""alter table intake.review_decision
                drop constraint review_decision_decision_check,
                add constraint review_decision_decision_check check (decision in ({named}))"""
    )


def upgrade() -> None:
    _decisions("accepted", "corrected", "rejected", "undone", "asked")


def downgrade() -> None:
    _decisions("accepted", "corrected", "rejected", "undone")
