#include "engine/report/page_parts.h"

// The assembler puts a file's bytes between two names.
#define PAGE_PART(name, path)                 \
  asm(".pushsection .rodata\n"                \
      ".hidden engine_page_" #name            \
      "\n"                                    \
      ".hidden engine_page_" #name            \
      "_end\n"                                \
      ".global engine_page_" #name            \
      "\n"                                    \
      ".global engine_page_" #name            \
      "_end\n"                                \
      "engine_page_" #name                    \
      ":\n"                                   \
      ".incbin \"" path                       \
      "\"\n"                                  \
      "engine_page_" #name                    \
      "_end:\n"                               \
      ".byte 0\n"                             \
      ".popsection\n");                       \
  extern "C" const char engine_page_##name[]; \
  extern "C" const char engine_page_##name##_end[];

PAGE_PART(html, PAGE_HTML)
PAGE_PART(style, PAGE_STYLE)
PAGE_PART(script, PAGE_SCRIPT)
PAGE_PART(chart, CHART_JS)

namespace engine::page_parts {

std::string_view html() {
  return {engine_page_html, engine_page_html_end};
}
std::string_view style() {
  return {engine_page_style, engine_page_style_end};
}
std::string_view script() {
  return {engine_page_script, engine_page_script_end};
}
std::string_view chart() {
  return {engine_page_chart, engine_page_chart_end};
}

}  // namespace engine::page_parts
