"""The metadata elements by which a domain's XML names its tenant."""

from xml.sax.saxutils import escape, quoteattr


def own_tenant(tenant_id: str, name: str = "") -> str:
    """Return the project's own element."""
    named = f" name={quoteattr(name)}" if name else ""
    return f'<hc:tenant xmlns:hc="urn:hostcollector:domain:1" id={quoteattr(tenant_id)}{named}/>'


def nova(
    *, project_id: str, project_name: str, instance_name: str, flavor: str = "m1.tiny", version: str = "1.1"
) -> str:
    """Return what OpenStack Nova writes, for one of the two versions of its element."""
    identity = '<nova:user uuid="00000000000000000000000000000abc">operator</nova:user>'
    return f"""<nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/{version}">
  <nova:package version="29.0.1"/>
  <nova:name>{escape(instance_name)}</nova:name>
  <nova:creationTime>2026-01-01 00:00:00</nova:creationTime>
  <nova:flavor name={quoteattr(flavor)}>
    <nova:memory>128</nova:memory><nova:disk>1</nova:disk><nova:swap>0</nova:swap>
    <nova:ephemeral>0</nova:ephemeral><nova:vcpus>1</nova:vcpus>
  </nova:flavor>
  <nova:owner>
    {identity}
    <nova:project uuid={quoteattr(project_id)}>{escape(project_name)}</nova:project>
  </nova:owner>
  <nova:root type="image" uuid="00000000-0000-0000-0000-000000000def"/>
</nova:instance>"""
