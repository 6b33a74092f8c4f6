"""The error codes of the portal and their texts.

Any code can be answered; those that the simulator raises by itself have a text of their own here.
"""

MESSAGES = {
    "RETOTPREQUEST": "An OTP is needed for this request",
    "AUTH4033": "The session is invalid",
    "AUTH4034": "The OTP is invalid",
    "AUTH4037": "API access is not enabled on the portal, or it ends before the token would",
    "AUTH4038": "The session has expired",
    "AUTH158": "The token or the user name is invalid",
    "AUT4033": "The client id is invalid",
    "TEC4002": "The public key used is invalid",
    "RET11402": "The caller is not authorised for this GSTIN",
    "RET2B1010": "The caller is not authorised for this GSTIN",
    "RET11416": "No records were found",
    "RET13509": "No records were found for this section",
    "RET13510": "There is no record for the inputs",
    "RET2B1016": "No records were found",
    "RT-3BAS1009": "No records were found",
    "RET2B1018": "The statement cannot be asked before its cut-off date",
    "GTR2B-001": "The statement does not apply to the first two months of a quarter",
    "GTR2B-002": "The statement is not generated because the earlier return was not filed before the cut-off",
    "RET2B1023": "The earlier return is not filed or is in progress",
    "IMS2005": "Nothing has changed, so the statement need not be generated again",
    "IMS2B007": "The period is wrong or its return is filed already",
    "RTN_24": "The file is being generated",
    "LG9089": "The end date is beyond today",
    "FO8000": "There is no such GSTIN",
    "RET191166": "Invalid data format",
}


def message(code: str) -> str:
    """Give the text of a code."""
    return MESSAGES.get(code, f"The request failed with {code}")
