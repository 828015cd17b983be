"""The numerical-median reporting plugin: the deployed price feeds' own (libocr `reportingplugin/median`)."""
