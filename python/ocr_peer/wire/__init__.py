"""Bytes between oracles: libocr's protobuf messages, read exactly as leniently as Go reads them."""
