# Who speaks VRRP on this network, and whose MAC answers for the VIP? Listens, and asks twice.
#     perl vrrp_listener.pl INTERFACE OWN_ADDRESS VIP SECONDS [VRRP'S_INTERFACE]
# Prints "vrrp SOURCE VERSION VRID PRIORITY" and "arp MAC", a line for each; last "heard LINES".
use strict;
my ($interface, $own, $vip, $seconds, $spoken) = @ARGV;
$spoken //= $interface;
my ($AF_INET, $AF_PACKET, $DGRAM, $RAW, $ETH_ARP, $SO_BINDTODEVICE) = (2, 17, 2, 3, 0x0806, 25);
sub first { open my $f, '<', $_[0] or die "$_[0]: $!\n"; my $l = <$f>; chomp $l; $l }
sub bytes { join '', map { chr } split /\./, $_[0] }
my $index = first("/sys/class/net/$interface/ifindex");
(my $mac = first("/sys/class/net/$interface/address")) =~ tr/://d;
socket(my $vrrp, $AF_INET, $RAW, 112) or die "socket: $!\n";
setsockopt($vrrp, 1, $SO_BINDTODEVICE, pack 'a16', $spoken) or die "bind: $!\n";
# VRRP's group (IP_ADD_MEMBERSHIP): strangers speak there, also where we speak by unicast.
my $group = first("/sys/class/net/$spoken/ifindex");
setsockopt($vrrp, 0, 35, pack 'a4 a4 i', bytes('224.0.0.18'), bytes('0.0.0.0'), $group);
socket(my $arp, $AF_PACKET, $DGRAM, unpack 'S', pack 'n', $ETH_ARP) or die "socket: $!\n";
my $heard = 0;
my $everybody = pack 'S n i S C C a8', $AF_PACKET, $ETH_ARP, $index, 1, 0, 6, "\xff" x 6;
bind($arp, $everybody) or die "bind: $!\n";
my $question = pack 'n n C C n H12 a4 x6 a4', 1, 0x0800, 6, 4, 1, $mac, bytes($own), bytes($vip);
for my $pause (0.2, $seconds - 0.2) {
    my $wait = $pause;
    send($arp, $question, 0, $everybody);
    while ($wait > 0) {
        my $ready = '';
        vec($ready, fileno($_), 1) = 1 for $vrrp, $arp;
        (my $count, $wait) = select($ready, undef, undef, $wait);
        next unless $count > 0;
        my $packet;
        if (vec($ready, fileno($vrrp), 1) and defined recv($vrrp, $packet, 1600, 0)) {
            my $source = join '.', unpack 'x12 C4', $packet;
            my ($kind, $vrid, $priority) = unpack 'C3', substr $packet, (ord($packet) & 15) * 4;
            $heard += print "vrrp $source ", $kind >> 4, " $vrid $priority\n" if $kind % 16 == 1;
        }
        if (vec($ready, fileno($arp), 1) and defined recv($arp, $packet, 1600, 0)) {
            my @sender = unpack 'x8 H2H2H2H2H2H2 a4', $packet;
            $heard += print 'arp ', join(':', @sender[0 .. 5]), "\n" if $sender[6] eq bytes($vip);
        }
    }
}
print "heard $heard\n";
