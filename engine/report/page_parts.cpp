#include "engine/report/page_parts.h"

#include "engine/report/embedded_file.h"

EMBEDDED_FILE(page_html, PAGE_HTML)
EMBEDDED_FILE(page_style, PAGE_STYLE)
EMBEDDED_FILE(page_script, PAGE_SCRIPT)
EMBEDDED_FILE(page_chart, CHART_JS)

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
