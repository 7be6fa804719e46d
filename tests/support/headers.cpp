// Carries the precompiled headers of all test programs (tests/CMakeLists.txt), and does nothing
// else.

int main() {
  return 0;
}
