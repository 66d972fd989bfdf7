#!/busybox sh
# The first process of the emulated hypervisor: takes the root file system of the machine that we are on for
# its own, with a writable layer in memory, runs the laboratory's part in there, and turns the machine off.
. /settings
B=/busybox
$B mkdir -p /proc /dev /lower /layer /host
$B mount -t proc proc /proc
$B mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do $B insmod "$module"; done

$B mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro root /lower
$B mount -t tmpfs layer /layer
$B mkdir /layer/upper /layer/work
$B mount -t overlay -o lowerdir=/lower,upperdir=/layer/upper,workdir=/layer/work overlay /host
cd /host
$B mount -t sysfs sysfs sys
$B mount -t cgroup2 cgroup2 sys/fs/cgroup
$B mount -t tmpfs run run
$B mount --move /dev dev
$B mkdir -p dev/pts dev/shm run/outbox
$B mount -t devpts devpts dev/pts
$B mount -t tmpfs shm dev/shm
$B mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 outbox run/outbox
# libvirt and modprobe look for vfio-pci in the running kernel's folder.
$B mkdir -p "lib/modules/$RELEASE"
$B mount --bind ".$MODULES" "lib/modules/$RELEASE"
$B cp $B run/busybox
$B mount --move /proc proc

# A root in which libvirt can give each QEMU a /dev of its own, which in a chroot it cannot.
exec $B switch_root . /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 sh -c '
  cd "$0" && timeout "$3" "$1" -m "$2" /run/outbox || echo "ended with status $?; 124: not within $3 s"
  /run/busybox poweroff -f' "$REPOSITORY" "$PYTHON" "$INSIDE" "$LIMIT"
