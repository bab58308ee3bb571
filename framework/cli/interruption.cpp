#include "framework/cli/interruption.h"

#include <signal.h>
#include <unistd.h>

namespace adder {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM};
volatile sig_atomic_t noted = 0;
volatile sig_atomic_t announced = 0;
struct sigaction before[2];

void handle(int number) {
  if (noted) _exit(128 + number);
  noted = number;
  static const char text[] = "\nstopping after this step, then saving; once more quits now, without saving\n";
  const ssize_t told = announced ? write(2, text, sizeof text - 1) : 0;
  (void)told;
}

}  // namespace

Interruption::Interruption(bool announce) {
  noted = 0;
  announced = announce;
  struct sigaction action {};
  action.sa_handler = handle;
  action.sa_flags = SA_RESTART;  // a write to a file goes on where the signal met it
  sigemptyset(&action.sa_mask);
  for (int i = 0; i < 2; ++i) sigaction(kSignals[i], &action, &before[i]);
}

Interruption::~Interruption() {
  for (int i = 0; i < 2; ++i) sigaction(kSignals[i], &before[i], nullptr);
}

bool Interruption::requested() const { return noted != 0; }
int Interruption::exit_code() const { return noted ? 128 + int(noted) : 0; }

}  // namespace adder
