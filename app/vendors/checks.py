"""Automatic checks of a company's application to be a vendor. Their results are stored for the administrator."""

import re
from urllib.parse import urlsplit

from app.vendors.models import Application, Check, Vendor

# ISO 3166-1 alpha-2, officially assigned.
_COUNTRY_CODES = """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
    FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
    JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
    MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
    PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""
_COUNTRIES = frozenset(_COUNTRY_CODES.split())
_MAIL_DOMAINS = """
    aol.com gmail.com gmx.com gmx.de gmx.net googlemail.com hotmail.com icloud.com live.com mail.com mail.ru me.com
    msn.com outlook.com proton.me protonmail.com qq.com web.de yahoo.com yandex.com yandex.ru ymail.com zoho.com
"""
_MAILBOXES = frozenset(_MAIL_DOMAINS.split())
_TAX_ID = re.compile(r"[A-Z0-9](?:[A-Z0-9-]{3,18})[A-Z0-9]")


def run(application: Application, program_currency: str) -> tuple[Check, ...]:
    """Check an application's own fields only: a comparison with vendors would tell the applicant who they are."""
    domain = application.email.rpartition("@")[2].lower()
    return (
        _check(
            "country",
            application.country in _COUNTRIES,
            f"{application.country} is a country of ISO 3166-1",
            f"{application.country} is not a country code of ISO 3166-1: write it as DE or US",
        ),
        _check(
            "currency",
            application.currency == program_currency,
            f"sells in {program_currency}",
            f"the program's currency is {program_currency}, not {application.currency}",
        ),
        _check(
            "tax_id",
            bool(_TAX_ID.fullmatch(application.tax_id)),
            "the tax id has a plausible form",
            "a tax id has 5 to 20 letters, digits and dashes",
        ),
        _check(
            "email",
            domain not in _MAILBOXES,
            f"{domain} is not a free mailbox",
            f"{domain} is a free mailbox: give an address of the company's own domain",
        ),
        _check(
            "website",
            _secure(application.website),
            "the website is served over https",
            "the website's address must begin with https:// and name a public host",
        ),
    )


def alone(vendor: Vendor, *, on_board: bool) -> Check:
    """Return the check of a vendor's tax id. It fails if `on_board`: another accepted vendor has the same tax id."""
    return _check(
        "not_on_board",
        not on_board,
        "no other vendor on board has this tax id",
        f"another vendor of {vendor.country} with this tax id is on board",
    )


def _check(name: str, passed: bool, pass_message: str, fail_message: str) -> Check:
    return Check(name, passed, pass_message if passed else fail_message)


def _secure(website: str) -> bool:
    try:
        parts = urlsplit(website)
        host = parts.hostname or ""
    except ValueError:
        return False
    return parts.scheme == "https" and bool(re.fullmatch(r"[\w-]+(\.[\w-]+)*\.[a-z][\w-]+", host))
