// The program: the command line, and every model that it knows.
#include "framework/cli/command.h"
#include "models/registry.h"

int main(int argc, char** argv) { return adder::run(argc, argv, adder::model_registry()); }
