"""The modular daemons virtqemud and virtproxyd of a Debian release, which packages neither.

They are built from the release's own source package of libvirt, so that they fit its libraries and drivers.
"""

import fcntl
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.lab.root_tree import TREES, root_tree

DAEMONS = ("virtqemud", "virtproxyd")
TOOLS = (
    *("dpkg-dev", "gcc", "gettext", "libc6-dev", "libxml2-utils", "meson", "ninja-build", "perl", "pkgconf"),
    *("xsltproc", "libglib2.0-dev", "libgnutls28-dev", "libjson-c-dev", "libnl-3-dev", "libnl-route-3-dev"),
    *("libtirpc-dev", "libxml2-dev"),
)
# Only what the two programs consist of: the drivers and the library are the release's own packages.
OPTIONS = (
    *("--prefix=/usr", "--libdir=lib/x86_64-linux-gnu", "--sysconfdir=/etc", "--localstatedir=/var"),
    *("-Dbuildtype=plain", "-Drunstatedir=/run", "-Dinit_script=systemd", "-Dauto_features=disabled"),
    *("-Ddriver_remote=enabled", "-Ddriver_libvirtd=enabled", "-Ddriver_qemu=enabled"),
    *("-Djson_c=enabled", "-Dlibnl=enabled", "-Dpolkit=enabled"),
)
BUILD = r"""set -e
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
for path in proc dev; do mount --rbind /$path $path; done
cp --remove-destination /etc/resolv.conf etc/resolv.conf
sed 's/^deb /deb-src /' etc/apt/sources.list >etc/apt/sources.list.d/source.list
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 HOME=/root
unset TMPDIR
mkdir src
chroot . apt-get -qy update
# A mirror may lack upstream's signature, and apt then fails at the end. What it has fetched it has checked.
chroot . sh -c 'cd /src && apt-get -qy -o APT::Sandbox::User=root source --download-only libvirt' || true
cat >src/build <<'SCRIPT'
cd /src
tar xf libvirt_*.orig.tar.xz
cd libvirt-*/
tar xf ../libvirt_*.debian.tar.xz
for patch in $(grep -v '^#' debian/patches/series); do patch -sp1 <"debian/patches/$patch"; done
meson setup build "$@"
ninja -C build src/virtqemud src/virtproxyd
strip build/src/virtqemud build/src/virtproxyd
mkdir -p /src/made/usr/sbin /src/made/usr/lib/systemd/system
cp build/src/virtqemud build/src/virtproxyd /src/made/usr/sbin
cp build/src/virtqemud*.service build/src/virtqemud*.socket /src/made/usr/lib/systemd/system
cp build/src/virtproxyd*.service build/src/virtproxyd*.socket /src/made/usr/lib/systemd/system
SCRIPT
chroot . sh -e /src/build $OPTIONS
cp -a src/made/. "$3"
"""


def modular_daemons(codename: str) -> Path:
    """Return a directory with ``usr/sbin`` and the units, made where the cache lacks it (3 minutes)."""
    recipe = hashlib.sha256(" ".join((*TOOLS, *OPTIONS, BUILD)).encode()).hexdigest()[:12]
    made = TREES / f"modular-{codename}-{recipe}"
    TREES.mkdir(parents=True, exist_ok=True)
    with (TREES / f"modular-{codename}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            _build(codename, made)
    return made


def _build(codename: str, made: Path) -> None:
    tree = root_tree("modular-build", codename, TOOLS)
    print(f"Debian {codename}: building {' and '.join(DAEMONS)} ...", flush=True)
    unfinished = made.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    enter = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child")
    with (
        tempfile.TemporaryDirectory(prefix="hostcollector-modular-") as work,
        made.with_suffix(".log").open("wb") as log,
    ):
        subprocess.run(
            (*enter, "sh", "-c", f"OPTIONS='{' '.join(OPTIONS)}'\n{BUILD}", "sh", work, tree, unfinished),
            check=True,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    unfinished.rename(made)
