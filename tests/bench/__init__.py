"""Speed and memory, always two things in one run and their ratio.

Where the time of a collection goes (libvirt 9.0, QEMU 7.2, strace and ``hostcollector collect --profile``):
a guest's statistics are five monitor commands, three for its disks (query-blockstats twice, query-named-
block-nodes) and two for its balloon (query-balloon, qom-get). QEMU takes each command in byte by byte, a
poll and a read for each, so that answering costs it half a millisecond of CPU or more, twice what
libvirtd and the collector need together. On a host without idle cores only fewer commands make a collection
shorter: for 300 guests on two cores the calls to libvirt alone, made by a program that does nothing else,
keep 1.7 to 2.0 cores busy for 650 to 770 ms with balloons and 420 to 440 ms without, whether four, six or
eight are made side by side and whether each asks for 4, 8 or 16 guests; one at a time they take 1,245 and
770 ms.

What helped: not reading balloons that cannot have news (two commands of five); rtnetlink without a library
(9 MiB, and a tenth of the time); label sets and their texts that are made once per guest and shared by
families (8 MiB at 300 guests, and a tenth of writing the page); not keeping the samples of the last
collection; descriptors of /proc and control group files that stay open (one system call instead of three, and
the interpreter's lock is handed over once instead of three times: a quarter of these two sources' CPU, for
15 descriptors of 5 KiB of kernel memory per guest with two vCPUs); a garbage collector that runs after 10,000
objects (5 ms of 58); the texts of small whole numbers, kept (1 ms of 5 for writing the page: three of five
values are 0 or 1); the control groups of a guest looked up once a minute, which spares two reads of /proc for
each guest (2 ms of 12); what is looked up now and then in turn, not for all guests in one collection (18 ms
of CPU every half minute).

What did not: frozen objects (within the noise once the collector runs seldom); more than four calls side by
side on two cores; one call for all guests; the sources that read processes' files one after the other instead
of side by side; the texts of a family's label sets kept in a list. Not done: keeping compressed parts of the
page that have not changed, since compressing is half a percent of a scrape's CPU and would take a second page
in memory.
"""
