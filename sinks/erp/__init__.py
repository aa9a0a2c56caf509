"""ERP systems behind one port."""
