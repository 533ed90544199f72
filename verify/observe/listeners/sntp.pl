# How far is this machine's clock from a time server's? Asks three times; the quickest answer counts.
#     perl sntp.pl SERVER [PORT]
# Prints "OFFSET +/- ERROR SERVER sSTRATUM no-leap" in seconds, as NTPsec's ntpdate -q does: OFFSET
# is what the clock would have to be moved by, ERROR half of the way there and back (RFC 4330, 5).
use strict;
use Time::HiRes qw(time);
my ($server, $port) = (@ARGV, 123);
my ($EPOCH, $FRACTION) = (2208988800, 4294967296);
my ($problem, $to);
# Half of the time that this takes would go into loading Socket, of which a name has need.
if ($server =~ /^(\d+)\.(\d+)\.(\d+)\.(\d+)$/) {
    $to = { family => 2, addr => pack 'S n C4 x8', 2, $port, $1, $2, $3, $4 };
} else {
    require Socket;
    ($problem, $to) = Socket::getaddrinfo($server, $port, { socktype => Socket::SOCK_DGRAM() });
}
die "$server: $problem\n" if $problem;
socket(my $s, $to->{family}, 2, 0) or die "$server: $!\n";
connect($s, $to->{addr}) or die "$server: $!\n";
my @best;
for my $try (1 .. 3) {
    my $sent = time;
    my $stamp = pack 'NN', int($sent) + $EPOCH, ($sent - int $sent) * $FRACTION;
    send($s, pack('C x39 a8', 0x23, $stamp), 0) or die "$server: $!\n"; # version 4, a client
    my $ready = '';
    vec($ready, fileno($s), 1) = 1;
    while (select(my $found = $ready, undef, undef, 0.8) > 0) {
        my $arrived = time;
        defined recv($s, my $answer, 512, 0) or die "$server: $!\n";
        my ($mode, $stratum, $ours, $r, $rf, $t, $tf) = unpack 'C C x22 a8 N N N N', $answer;
        # A late answer to an earlier question, or one of a server that has no time itself.
        next unless length($answer) >= 48 and ($mode & 7) == 4 and $ours eq $stamp;
        last if $stratum < 1 or $stratum > 15 or $mode >> 6 == 3;
        my ($came, $left) = ($r - $EPOCH + $rf / $FRACTION, $t - $EPOCH + $tf / $FRACTION);
        my ($offset, $way) = (($came - $sent + $left - $arrived) / 2, $arrived - $sent - $left + $came);
        @best = ($offset, $way / 2, $stratum) if !@best or $way / 2 < $best[1];
        last;
    }
    last if !@best and $try == 2;
}
@best or die "$server: no answer that has the time\n";
printf "%+.6f +/- %.6f %s s%d no-leap\n", @best[0, 1], $server, $best[2];
