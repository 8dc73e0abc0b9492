"""What a key says about its value: `api_key` holds a secret, `dateOfBirth` a date of birth, `customer.name` a name."""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import lru_cache
from typing import Final

from taketwo.redaction.kinds import (
    ACCOUNT,
    ADDRESS,
    BIRTH_DATE,
    CARD,
    CARD_END,
    EMAIL,
    IBAN,
    IP,
    NAME,
    PHONE,
    POSTCODE,
    SECRET,
    SSN,
    USER_ID,
    listed,
)

TOKEN: Final = "token"
"""A secret only where it looks like one: `token` also counts tokens, `key` also opens a dictionary."""

BARE_NAME: Final = "bare name"
"""A person's name only where something beside it says that it stands for a person: tools have names too."""

WHOLE_ADDRESS: Final = "whole address"
"""A street perhaps with its town; mail and machines have addresses, too."""

_SECRET = """password passwd passphrase pwd passcode secret client_secret secret_key private_key api_secret
        app_secret consumer_secret webhook_secret signing_secret shared_secret secret_access_key cookie
        set_cookie user_password"""
_TOKEN = """token api_key apikey api_token access_token refresh_token id_token auth_token session_token
        security_token bearer_token authorization proxy_authorization access_key access_key_id auth_key
        account_key subscription_key encryption_key x_api_key bearer auth credential credentials
        secret_token key_secret api_keys tokens"""
_NAME = """first_name last_name middle_name full_name given_name family_name maiden_name sur_name surname
        forename firstname lastname fullname person_name customer_name client_name user_full_name
        patient_name guest_name passenger_name caller_name contact_name employee_name cardholder_name
        card_holder_name cardholder holder_name account_holder account_holder_name recipient_name
        sender_name beneficiary_name owner_name member_name applicant_name student_name traveler_name
        traveller_name billing_name shipping_name name_on_card emergency_contact_name buyer_name tenant_name
        display_name username_full vorname nachname familienname prenom nom_de_famille apellido apellidos
        primer_apellido cognome sobrenome apelido voornaam achternaam imie nazwisko"""
_KINDS: Final = {
    **dict.fromkeys(listed(_SECRET), SECRET),
    **dict.fromkeys(listed(_TOKEN), TOKEN),
    **dict.fromkeys(listed(_NAME), NAME),
    **dict.fromkeys(listed("name nom nombre nome naam"), BARE_NAME),
    **dict.fromkeys(listed("email e_mail email_address mail_address emails"), EMAIL),
    **dict.fromkeys(
        listed("""phone phone_number phonenumber telephone telephone_number tel mobile mobile_number mobile_phone cell
        cell_phone cellphone fax fax_number msisdn whatsapp caller_number from_number to_number
        contact_number home_phone work_phone phones phone_numbers customer_number_e164 telefon telefonnummer
        handy handynummer rufnummer telefono telefone movil celular cellulare portable telefoon telefoonnummer"""),
        PHONE,
    ),
    **dict.fromkeys(
        listed("card_number cardnumber credit_card credit_card_number creditcard debit_card debit_card_number pan"),
        CARD,
    ),
    **dict.fromkeys(listed("iban iban_number"), IBAN),
    **dict.fromkeys(listed("ssn social_security social_security_number ssn_number us_ssn social_security_no"), SSN),
    **dict.fromkeys(listed("ip ip_address ipaddress client_ip remote_ip remote_addr x_forwarded_for ip_addr"), IP),
    **dict.fromkeys(
        listed("""dob birth_date birthdate date_of_birth birthday birth_day dateofbirth geburtsdatum geburtstag
        date_naissance date_de_naissance fecha_nacimiento fecha_de_nacimiento data_di_nascita data_nascita
        data_de_nascimento data_nascimento geboortedatum"""),
        BIRTH_DATE,
    ),
    **dict.fromkeys(
        listed("""street street_address street_line street_name_and_number address1 address2 address_1 address_2
        address_line address_line1 address_line2 address_line_1 address_line_2 street1 street2 line1 line2
        street_name strasse straße calle straat"""),
        ADDRESS,
    ),
    **dict.fromkeys(
        listed("address addresses adresse direccion domicilio indirizzo endereco adres anschrift"), WHOLE_ADDRESS
    ),
    **dict.fromkeys(
        listed("""user_id userid user_name username user_login customer_id customer_number member_id member_number
        patient_id guest_id employee_id passenger_id"""),
        USER_ID,
    ),
    **dict.fromkeys(
        listed("""account_number account_no bank_account passport passport_number passport_no license_number
        driving_licence drivers_license driver_license driving_license licence_number driver_licence
        national_insurance_number nino pesel dni nif curp aadhaar personal_number tax_number steuernummer
        cvv cvv2 cvc cvc2 card_security_code tax_id national_id loyalty_number frequent_flyer_number
        payment_id payment_method_id card_id"""),
        ACCOUNT,
    ),
    **dict.fromkeys(listed("last_four last_4 last4 card_last4 last_four_digits last_4_digits"), CARD_END),
    **dict.fromkeys(
        listed("zip zip_code zipcode postal_code postcode post_code plz postleitzahl code_postal codigo_postal"),
        POSTCODE,
    ),
}
_LONGEST = 4
"""Words of the longest key above."""

_PERSONS: Final = frozenset(
    listed("""customer user person client patient guest passenger caller contact employee member applicant student
        traveler traveller recipient sender beneficiary cardholder account_holder owner buyer tenant enduser
        end_user customers users people persons clients patients guests passengers contacts employees
        members applicants students travelers recipients attendees attendee participant participants
        emergency_contact profile""")
)
_PERSONAL_KINDS: Final = frozenset({EMAIL, PHONE, SSN, BIRTH_DATE, CARD, IBAN, NAME, ADDRESS})
_PERSONAL_KEYS: Final = frozenset(listed("customer_id user_id patient_id member_id passenger_id employee_id guest_id"))

_WORD_BREAK = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")


@lru_cache(maxsize=8192)
def kind_of_key(key: str) -> str | None:
    """What a value under that key is: a kind, TOKEN, BARE_NAME, or None. The last words of the key decide."""
    words = _words(key)
    for length in range(min(_LONGEST, len(words)), 0, -1):
        if (kind := _KINDS.get("_".join(words[-length:]))) is not None:
            return _in_place(kind, words)
    return None


@lru_cache(maxsize=8192)
def stands_for_a_person(key: str) -> bool:
    """Whether what lies under that key is about a person: `customer`, `passengers`, …"""
    words = _words(key)
    return bool(words) and (words[-1] in _PERSONS or "_".join(words[-2:]) in _PERSONS)


@lru_cache(maxsize=8192)
def belongs_to_a_person(key: str) -> bool:
    """Whether an object with that key is about a person."""
    return kind_of_key(key) in _PERSONAL_KINDS or "_".join(_words(key)) in _PERSONAL_KEYS


def looks_secret(value: str) -> bool:
    """Whether a text looks like a key and not like a word, a number, or a place where one belongs."""
    if len(value) < 8 or re.search(r"\s", value) or value.isdigit():
        return False
    letters, digits = re.search(r"[A-Za-z]", value), re.search(r"\d", value)
    mixed = bool(letters and digits) or (value != value.lower() and value != value.upper())
    return mixed and _bits_a_character(value) >= 2.5


def _bits_a_character(value: str) -> float:
    counts = Counter(value).values()
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts)


def _words(key: str) -> list[str]:
    return [word.lower() for word in _WORD_BREAK.split(key[-200:]) if word]


def _in_place(kind: str, words: list[str]) -> str | None:
    """`user.name` and `customer name` name a person; `gen_ai.usage.output_tokens` and `token` count something."""
    if kind == BARE_NAME and len(words) > 1:
        before = words[-2]
        return NAME if before in _PERSONS else None
    return kind
