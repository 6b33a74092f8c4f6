"""How the GST portal is reached: the raw protocol through a GSP, or the plain-JSON style of Sandbox.

Both speak through one ``PortalSession``; what they hand back is what GSTN itself means, so that no module
knows which provider a client has.
"""

from connectors.gst.provider.session import GstSession, generate_2b, open_session

__all__ = ["GstSession", "generate_2b", "open_session"]
