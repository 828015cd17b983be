"""ocr-peer."""
