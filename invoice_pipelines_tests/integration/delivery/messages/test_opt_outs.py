"""Nothing goes to an address that opted out, by whatever spelling it is named."""

from __future__ import annotations

import pytest

from invoice_pipelines.delivery.messages.opt_outs import add_opt_out, end_opt_out, list_opt_outs
from invoice_pipelines.delivery.values import DeliveryError, MessageStatus
from invoice_pipelines_tests.integration.delivery.messages.conftest import Post


def test_who_opted_out_gets_nothing_until_that_is_ended(post: Post) -> None:
    invoice = post.invoice(email="Stop@kunde.example", phone="+4915188888888")
    with post.desk.scope() as connection:
        assert add_opt_out(connection, "email", "stop@KUNDE.example", created_by="anna", note="by phone")
        assert not add_opt_out(connection, "email", "STOP@kunde.example", created_by="anna")
    report = post.ask_and_send([invoice])
    assert (report.skipped, report.sent) == (1, 0)
    assert (post.message().status, post.message().error_code) == (MessageStatus.CANCELLED, "OPTED_OUT")
    assert post.ask_and_send([invoice], "sms").sent == 1  # it was the email that they did not want
    with post.desk.scope() as connection:
        assert end_opt_out(connection, "email", "stop@kunde.example", ended_by="berta")
        assert not end_opt_out(connection, "email", "stop@kunde.example", ended_by="berta")
        assert list_opt_outs(connection) == []
        (ended,) = list_opt_outs(connection, with_ended=True)
    assert (ended.created_by, ended.note, ended.ended_by) == ("anna", "by phone", "berta")
    assert post.ask_and_send([invoice]).sent == 1


def test_a_phone_number_is_one_of_the_organizations_country(post: Post) -> None:
    post.do(add_opt_out, "sms", "0151 23456789", created_by="anna")
    assert post.ask_and_send([post.invoice(phone="+4915123456789")], "sms").skipped == 1


def test_what_is_no_address_cannot_opt_out(post: Post) -> None:
    with pytest.raises(DeliveryError, match="is not an email address"):
        post.do(add_opt_out, "email", "nobody", created_by="anna")


def test_opt_outs_count_in_one_organization_only(post: Post) -> None:
    post.stranger().do(add_opt_out, "email", "shared@kunde.example", created_by="eve")
    assert post.ask_and_send([post.invoice(email="shared@kunde.example")]).sent == 1
