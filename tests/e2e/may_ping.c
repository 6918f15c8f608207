// Whether a process may ping without a capability: a datagram socket of ICMP asks for none, but for a group in net.ipv4.ping_group_range.
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <sys/socket.h>

int main(void) {
  if (socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP) >= 0) return puts("may"), 0;
  printf("may not: %s\n", strerror(errno));
  return 1;
}
