/* Runs in a container: sends each datagram that comes to UDP port argv[1] back to who sent it, with "out of the container: " before it. Linked statically. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int main(int argc, char** argv) {
  static const char kBefore[] = "out of the container: ";
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_ANY)}};
  const int listening = socket(AF_INET, SOCK_DGRAM, 0);
  if (argc != 2) return 2;
  here.sin_port = htons((unsigned short)atoi(argv[1]));
  if (listening < 0 || bind(listening, (struct sockaddr*)&here, sizeof here) != 0) return perror("bind"), 1;
  for (;;) {
    char words[1500];
    struct sockaddr_storage from;
    socklen_t length = sizeof from;
    const ssize_t got = recvfrom(listening, words + sizeof kBefore - 1, sizeof words - sizeof kBefore + 1, 0, (struct sockaddr*)&from, &length);
    if (got < 0) return perror("recvfrom"), 1;
    memcpy(words, kBefore, sizeof kBefore - 1);
    if (sendto(listening, words, sizeof kBefore - 1 + (size_t)got, 0, (struct sockaddr*)&from, length) < 0) return perror("sendto"), 1;
  }
}
