#pragma once

/// Puts a file's bytes into the program, between engine_NAME and engine_NAME_end, by the assembler.
#define EMBEDDED_FILE(name, path)        \
  asm(".pushsection .rodata\n"           \
      ".hidden engine_" #name            \
      "\n"                               \
      ".hidden engine_" #name            \
      "_end\n"                           \
      ".global engine_" #name            \
      "\n"                               \
      ".global engine_" #name            \
      "_end\n"                           \
      "engine_" #name                    \
      ":\n"                              \
      ".incbin \"" path                  \
      "\"\n"                             \
      "engine_" #name                    \
      "_end:\n"                          \
      ".byte 0\n"                        \
      ".popsection\n");                  \
  extern "C" const char engine_##name[]; \
  extern "C" const char engine_##name##_end[];
