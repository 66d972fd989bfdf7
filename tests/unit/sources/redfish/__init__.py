"""The redfish source, over answers of a BMC."""
