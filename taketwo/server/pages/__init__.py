"""What people see: pages drawn on the server, each with a JSON twin at the same address."""

from taketwo.server.pages.drawing import conversation_address, page, wants_page

__all__ = ["conversation_address", "page", "wants_page"]
