"""Which network addresses a file may be fetched from.

An allow-list rather than a deny-list: what is not known to be public is not. Addresses of IPv6 that
carry one of IPv4 inside lead wherever that one leads, so they are not public either.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

_PUBLIC_V6: Final = ip_network("2000::/3")
_SPECIAL_V6: Final = tuple(
    ip_network(each)
    for each in (
        "2001::/23",  # protocols of the IETF, among them Teredo
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)
_SPECIAL_V4: Final = tuple(
    ip_network(each)
    for each in (
        "192.0.0.0/24",  # protocols of the IETF, and the metadata of some clouds
        "192.88.99.0/24",  # relays of 6to4
        "168.63.129.16/32",  # Azure's own services, at an address that looks public
        "240.0.0.0/4",
    )
)
_METADATA: Final = tuple(ip_address(each) for each in ("fd00:ec2::254", "100.100.100.200"))
"""Where clouds tell a machine its credentials, beside the link-local ones."""


def is_public(address: str) -> bool:
    """Whether it is an address that everybody on the internet reaches alike."""
    found = _parsed(address)
    if isinstance(found, IPv6Address):
        return found in _PUBLIC_V6 and not any(found in each for each in _SPECIAL_V6)
    if found is None or any(found in each for each in _SPECIAL_V4):
        return False
    return found.is_global and not found.is_multicast


def may_be_own(address: str) -> bool:
    """Whether a host that an operator has named may have it: not one that gives credentials."""
    found = _parsed(address)
    if found is None or found in _METADATA:
        return False
    is_odd = found.is_link_local or found.is_multicast or found.is_unspecified
    if is_odd or (isinstance(found, IPv6Address) and found.is_reserved and not found.is_loopback):
        return False
    return found.is_private or is_public(address)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address)
    except ValueError:
        return None
