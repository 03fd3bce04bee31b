"""What USCIS says that it intends may have to be answered in time: such a text has a deadline."""

import itertools

import pytest

from casebell.events import Status, Tag
from casebell.notify.headlines import headline_of
from casebell.uscis.classify import classify_text

#: What USCIS has announced, and what it could.
ACTIONS = [
    "Deny",
    "Revoke",
    "Terminate",
    "Rescind",
    "Withdraw",
    "Fine",
    "Reopen",
    "Reject",
    "Cancel",
    "Close",
    "Dismiss",
    "Debar",
    "Suspend",
    "Void",
    "Certify",
    "Reconsider",
    "Invalidate",
    "Disqualify",
    "Sanction",
    "Decertify",
    "Modify",
]
ACCIONES = [
    "Denegar",
    "Revocar",
    "Terminar",
    "Rescindir",
    "Retirar",
    "Reabrir",
    "Multar",
    "Rechazar",
    "Cancelar",
    "Cerrar",
    "Desestimar",
    "Suspender",
    "Anular",
    "Finalizar",
    "Negar",
]
FORM = "Form I-140, Immigrant Petition for Alien Workers, Receipt Number IOE0900000000"
FORMULARIO = "Formulario I-130, Petición de Familiar Extranjero, Número de Recibo IOE0900000000"
ENGLISH = (
    "Notice Of Intent To {} Was Sent",
    "Intent To {} Notice Was Mailed",
    "Your Notice of Intent to {} Was Emailed",
    "Second Notice Of Intent To {} Was Sent",
    "USCIS Intends To {} My Case",
    "Case Was Approved. Notice Of Intent To {} Was Sent",
    f"On June 1, 2025, we mailed you a Notice of Intent to {{}} for your {FORM}.",
    f"On June 1, 2025, we sent you a notice of our intent to {{}} your {FORM}. Please follow it.",
)
SPANISH = (
    "Notificación De Intención De {} Enviada",
    "Aviso de Intención de {}",
    "Se Envió La Notificación De Intención De {}",
    "USCIS Tiene La Intención De {} El Caso",
    "Tenemos la intención de {} su caso.",
    f"El 1 de junio de 2025, le enviamos un aviso de nuestra intención de {{}} su {FORMULARIO}.",
)
OTHERS = (
    "Intent Letter Was Sent",
    "NOID Was Sent",
    "Notice of Proposed Rescission Was Sent",
    "Notice of Intended Revocation",
    "Notice of Planned Termination",
    "Notice of Impending Revocation",
    "Notice of Possible Ineligibility Was Sent",
    "Notice of Potential Adverse Action",
    "Notice Of Derogatory Information Was Sent",
    "Notice of Noncompliance Was Sent",
    "Notice of Violation",
    "Notice of Action USCIS Intends to Take",
    "Notice Explaining USCIS' Actions Was Mailed",
    "Notice Explaining USCIS' Intended Actions Was Mailed",
    "Notice Explaining The Actions USCIS Intends To Take Was Mailed",
    "We sent you a notice explaining the action we intend to take on your case.",
    "We mailed you a notice that explains what we intend to do with your case.",
    "Advance Notice of Termination Was Sent",
    "Pre-Termination Notice Was Sent",
    "Proposed Denial Notice Was Sent",
    "Tentative Denial Was Sent",
    "Final Warning Before Denial",
    "Warning Letter Was Mailed",
    "Site Visit Findings Notice Was Sent",
    "Order To Show Cause Was Sent",
    "USCIS Is Considering Revoking The Approval",
    "Your parole will be terminated on May 1, 2026.",
    "Your response is due by June 1, 2025.",
    "Response Due Reminder",
    "You must respond by June 1, 2025.",
    "Deadline To Respond Was Extended",
    "Extension Of Time To Respond Was Granted",
    "Notificación De Terminación Propuesta",
    "Notificación De Posible Denegación",
    "Notificación De La Acción Que USCIS Intenta Tomar",
    "Notificación Que Explica Las Acciones De USCIS Fue Enviada",
    "Le enviamos una notificación que explica la acción que tenemos la intención de tomar.",
    "Le enviamos una notificación que explica lo que pensamos hacer en su caso.",
    "NOIR Was Issued",
    "NOIT Was Sent",
    "Adverse Action Notice Was Sent",
    "Notice to Show Cause Was Sent",
    "USCIS Pretende Denegar El Caso",
    "Acción Propuesta",
    "Acción Adversa Propuesta",
    "USCIS Está Considerando Revocar La Aprobación",
    "Carta de Advertencia Enviada",
    "Debe responder a más tardar el 1 de junio de 2025.",
    "Tiene 30 días para responder.",
    "Su respuesta debe ser recibida antes del 1 de junio de 2025.",
)


@pytest.mark.parametrize(
    ("frames", "actions"), [(ENGLISH, ACTIONS), (SPANISH, ACCIONES), (OTHERS, [""])]
)
def test_what_uscis_intends_has_a_deadline(frames: list[str], actions: list[str]) -> None:
    """Whatever it is: the verb may be one that USCIS never announced before."""
    for frame, action in itertools.product(frames, actions):
        for text in (frame.format(action), frame.format(action.lower())):
            reading = classify_text(text)
            assert Tag.DEADLINE in reading.tags, text
            assert reading.status is Status.OTHER, text
            sentence = headline_of(reading.status, reading.tags).sentence
            assert "may have to be answered" in sentence


@pytest.mark.parametrize(
    "text",
    [
        "We received your Form I-361, Affidavit of Financial Support and Intent to Petition.",
        "We received your Form N-300, Application to File Declaration of Intention.",
        "Recibimos su Formulario N-300, Solicitud para Presentar Declaración de Intención.",
        "USCIS Intends To Schedule My Interview",
        "Notice Of Intent To Deny Was Withdrawn",
        "Response To Notice Of Intent To Deny Was Received",
        "La notificación de intención de revocar fue cancelada",
        "If we intend to deny your case, we will send you a notice.",
    ],
)
def test_an_intent_of_somebody_else_or_of_the_past_has_none(text: str) -> None:
    """An applicant intends something, too; and what was answered or withdrawn is done."""
    assert Tag.DEADLINE not in classify_text(text).tags
