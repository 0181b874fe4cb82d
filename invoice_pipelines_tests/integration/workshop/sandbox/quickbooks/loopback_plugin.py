"""A pytest plugin, and a module to import first: sends python-quickbooks to the sandbox instead of to Intuit.

Runs in an environment of its own, in which that library is installed and this project is not.
"""

import os

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"

import intuitlib.config
import quickbooks.client

URL = os.environ["SANDBOX_URL"]
intuitlib.config.DISCOVERY_URL["sandbox"] = f"{URL}/.well-known/openid_sandbox_configuration"
quickbooks.client.QuickBooks.sandbox_api_url_v3 = f"{URL}/v3"
