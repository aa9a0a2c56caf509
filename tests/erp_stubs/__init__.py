"""Stubs of ERP systems, made of sinks/erp/systems/*.toml, for the contract suite of the connectors."""
