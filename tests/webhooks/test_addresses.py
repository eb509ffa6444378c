"""Nothing is sent where it must not go: by what an address looks like, where its name leads, and whose key it shows."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from creditbank.access.domain import networks_of
from creditbank.webhooks.addresses import Resolve, is_allowed, is_public, read_url, shown
from creditbank.webhooks.domain import WebhookUrlRefused
from tests.webhooks.conftest import Desk
from tests.webhooks.receivers import Receiver, receiving

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRIVATE = [
    "0.1.2.3", "192.88.99.1", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.0.1", "169.254.169.254", "172.16.0.1",
    "192.0.0.8", "192.168.1.1", "198.18.0.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1",
    "2001:db8::1", "2001::1", "2002:7f00:1::", "fc00::1", "fd12::1", "fe80::1", "fe80::1%lo", "fec0::1", "ff02::1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "93.184.216.34", "::ffff:93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"]


@pytest.mark.parametrize("address", PRIVATE)
async def test_private_addresses_are_not_sent_to_unless_they_are_allowed(address: str) -> None:
    assert not is_allowed(address, ())
    bare = address.partition("%")[0]
    mapped = getattr(ip_address(bare), "ipv4_mapped", None)
    assert is_allowed(address, networks_of([str(mapped or bare)]))


@pytest.mark.parametrize("address", PUBLIC)
async def test_public_addresses_are_sent_to(address: str) -> None:
    assert is_allowed(address, ())
    mapped = getattr(ip_address(address), "ipv4_mapped", None)
    assert is_public(mapped or ip_address(address))


REFUSED = [
    "http://partner.example/", "ftp://partner.example/", "https://", "partner.example/hooks", "https:///hooks",
    "https://user:password@partner.example/", "https://user@partner.example/", "https://partner.example/#here",
    "https://partner.example:0/", "https://partner.example:99999/", "https://127.0.0.1/", "https://[::1]/",
    "https://169.254.169.254/latest/meta-data", "https://[::ffff:10.0.0.1]/", "https://partner.example/\n", "",
    "file:///etc/passwd", "https://partner.example/" + "x" * 2000,
]  # fmt: skip


@pytest.mark.parametrize("url", REFUSED)
async def test_such_an_address_is_refused(url: str) -> None:
    with pytest.raises(WebhookUrlRefused):
        read_url(url, ())


async def test_plain_http_is_for_allowed_networks_only(desk: Desk) -> None:
    allowed = networks_of(["10.0.0.0/8"])
    assert str(read_url("http://10.1.2.3:8080/hooks?a=b", allowed)) == "http://10.1.2.3:8080/hooks?a=b"
    with pytest.raises(WebhookUrlRefused):
        read_url("http://127.0.0.1/", allowed)
    # A name that leads to a public machine: whoever listens on the way would read it.
    desk.set_sender(resolve=leading_to(["93.184.216.34"]))
    at, _ = await desk.listen("http://partner.example/", "achievement.recorded")
    await desk.world.record(desk.world.ids["learner"])
    await desk.carry()
    assert (await desk.deliveries(at))[0]["attempts"][0]["problem"] == "address_refused"


async def test_an_address_is_shown_without_what_may_be_a_token() -> None:
    assert shown("https://robot.example/send?access_token=s3cret") == "https://robot.example/send?…"
    assert shown("https://robot.example/send") == "https://robot.example/send"


def leading_to(*turns: Sequence[str]) -> Resolve:
    """A name server that says this, each time something else, and at last always the same."""
    left = list(turns)

    async def resolve(host: str, port: int) -> Sequence[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


async def test_a_receiver_that_moves_to_this_machine_is_not_followed(desk: Desk) -> None:
    async with (
        receiving(Receiver(host="127.0.0.2")) as there,
        receiving(Receiver(host="127.0.1.1", port=there.port)) as here,
    ):
        at, _ = await desk.listen(f"http://partner.example:{there.port}/hooks", "achievement.recorded")
        desk.set_sender(resolve=leading_to(["127.0.0.2"], ["127.0.1.1"], ["127.0.0.2", "127.0.1.1"], ["127.0.0.2"]))
        for _ in range(2):
            await desk.world.record(desk.world.ids["learner"])
        # It stood where it may stand: the first is sent, by its name, to the machine that was looked at.
        assert await desk.carry() == 2
        assert len(there.got) == 1
        assert there.got[0].headers["host"] == f"partner.example:{there.port}"
        desk.world.clock.turn(seconds=6)
        # Twice it leads elsewhere, once with a good address beside the bad one; then it is back.
        assert await desk.carry() == 1
        desk.world.clock.turn(minutes=2)
        assert await desk.carry() == 1
        assert here.connections == 0
        moved, stayed = await desk.deliveries(at, state="delivered")
        problems = [[one["problem"] for one in delivery["attempts"]] for delivery in (moved, stayed)]
        assert sorted(problems, key=len) == [[None], ["address_refused", "address_refused", None]]
        assert len(there.got) == 2


async def test_of_several_machines_the_next_is_tried_when_one_is_away(desk: Desk) -> None:
    async with receiving(Receiver(host="127.0.0.3")) as there:
        at, _ = await desk.listen(f"http://partner.example:{there.port}/hooks", "achievement.recorded")
        desk.set_sender(resolve=leading_to(["127.0.0.2", "127.0.0.3"]))
        await desk.world.record(desk.world.ids["learner"])
        await desk.carry()
        assert [one["state"] for one in await desk.deliveries(at)] == ["delivered"]


async def test_where_nobody_is_or_no_name_leads_it_is_tried_again(desk: Desk) -> None:
    async with receiving(Receiver()) as gone:
        pass
    nobody, _ = await desk.listen(gone.url, "achievement.recorded")
    await desk.world.record(desk.world.ids["learner"])
    await desk.carry()

    async def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    desk.set_sender(resolve=unknown)
    lost, _ = await desk.listen("https://partner.example/", "achievement.recorded")
    await desk.world.partner.post(f"{lost}/test")
    await desk.carry()
    for at, problem in ((nobody, "unreachable"), (lost, "unresolved")):
        (waiting,) = await desk.deliveries(at)
        assert (waiting["state"], waiting["attempts"][0]["problem"]) == ("waiting", problem)


# --- Certificates -----------------------------------------------------------------------------------------------------


def certified(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """How a server of that name shows who it is, and how whoever trusts its certificate sees it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cafile=file)


@pytest.mark.parametrize(
    ("name", "is_trusted", "problem"),
    [("partner.example", True, None), ("rival.example", True, "tls"), ("partner.example", False, "tls")],
    ids=["its own", "another's", "nobody's"],
)
async def test_the_certificate_must_be_the_name_s_though_the_machine_is_called_by_its_number(
    name: str, is_trusted: bool, problem: str | None, desk: Desk, tmp_path: Path
) -> None:
    server, trusting = certified(tmp_path, name)
    async with receiving(Receiver(), server) as receiver:
        at, _ = await desk.listen(f"https://partner.example:{receiver.port}/hooks", "achievement.recorded")
        desk.set_sender(resolve=leading_to(["127.0.0.1"]))
        if is_trusted:
            desk.set_sender(context=trusting)
        await desk.world.record(desk.world.ids["learner"])
        await desk.carry()
        (delivery,) = await desk.deliveries(at)
        assert [one["problem"] for one in delivery["attempts"]] == [problem]
        assert len(receiver.got) == (problem is None)


@pytest.mark.parametrize("machines", [["93.184.216.34", "127.0.1.1"], ["127.0.1.1", "93.184.216.34"]])
async def test_one_wrong_machine_among_those_of_a_name_spoils_all(machines: list[str], desk: Desk) -> None:
    at, _ = await desk.listen("https://partner.example/", "achievement.recorded")
    desk.set_sender(resolve=leading_to(machines))
    await desk.world.partner.post(f"{at}/test")
    await desk.carry()
    (waiting,) = await desk.deliveries(at)
    assert [one["problem"] for one in waiting["attempts"]] == ["address_refused"]
