"""How bytes are spoken: libvirt, netlink, OVSDB, REST, Redfish, NDFC, UFM, kernel files. Knows no guest."""
