#include "engine/data/fetch.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/core/file.h"
#include "engine/data/cifar10.h"

namespace engine {
namespace {

constexpr std::string_view kLocal = "http://127.0.0.1";

bool is_local(std::string_view url) {
  if (url.find('@') != std::string_view::npos) return false;  // "127.0.0.1:1@elsewhere"
  return url.starts_with(kLocal) &&
         (url.size() == kLocal.size() || url[kLocal.size()] == ':' || url[kLocal.size()] == '/');
}

/// The .part file: locked, so that two processes do not write into it at once.
class PartFile {
 public:
  explicit PartFile(const std::string& path) : path_(path) {
    fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd_ < 0) fail(ExitCode::storage, "{}: cannot create: {}", path, std::strerror(errno));
    if (flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      close(fd_);
      fail(ExitCode::busy, "{}: another process is fetching this file", path);
    }
  }
  ~PartFile() { close(fd_); }
  PartFile(const PartFile&) = delete;

  uint64_t size() const {
    struct stat info {};
    fstat(fd_, &info);
    return static_cast<uint64_t>(info.st_size);
  }
  bool append(const char* data, size_t bytes) {
    lseek(fd_, 0, SEEK_END);
    while (bytes > 0) {
      const ssize_t done = write(fd_, data, bytes);
      if (done < 0 && errno == EINTR) continue;
      if (done <= 0) return false;
      data += done;
      bytes -= static_cast<size_t>(done);
    }
    return true;
  }
  void clear() {
    if (ftruncate(fd_, 0) != 0) storage_error("empty");
  }
  void become(const std::string& name) {
    if (fsync(fd_) != 0) storage_error("flush");
    if (rename(path_.c_str(), name.c_str()) != 0) storage_error("rename");
  }
  void remove() { unlink(path_.c_str()); }
  [[noreturn]] void storage_error(const char* what) const {
    fail(ExitCode::storage, "{}: cannot {}: {}", path_, what, std::strerror(errno));
  }

 private:
  std::string path_;
  int fd_ = -1;
};

struct Transfer {
  PartFile& part;
  const Download& download;
  const DownloadProgress& progress;
  uint64_t start;  ///< bytes that were there before
  bool too_long = false, disk_failed = false, stopped = false;
  int disk_error = 0;

  static size_t receive(char* data, size_t, size_t bytes, void* self) {
    return static_cast<Transfer*>(self)->take(data, bytes);
  }
  size_t take(const char* data, size_t bytes) {
    if (download.bytes > 0 && part.size() + bytes > download.bytes) {
      too_long = true;
      return 0;
    }
    if (!part.append(data, bytes)) {
      disk_failed = true;
      disk_error = errno;
      return 0;
    }
    return bytes;
  }

  static int report(void* self, curl_off_t total, curl_off_t done, curl_off_t, curl_off_t) {
    auto& transfer = *static_cast<Transfer*>(self);
    if (!transfer.progress) return 0;
    uint64_t all = transfer.download.bytes;
    if (all == 0 && total > 0) all = transfer.start + static_cast<uint64_t>(total);
    transfer.stopped = !transfer.progress(transfer.start + static_cast<uint64_t>(done), all);
    return transfer.stopped ? 1 : 0;
  }
};

using Handle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;

Handle make_handle(const Download& download, Transfer& transfer, char* message) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  Handle curl(ready == CURLE_OK ? curl_easy_init() : nullptr, curl_easy_cleanup);
  if (!curl) fail(ExitCode::out_of_memory, "{}: libcurl cannot start", download.url);
  CURL* c = curl.get();
  curl_easy_setopt(c, CURLOPT_URL, download.url.c_str());
  curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, is_local(download.url) ? "http" : "https");
  curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, is_local(download.url) ? "http,https" : "https");
  curl_easy_setopt(c, CURLOPT_MAXREDIRS, 5L);
  curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, 30L);
  curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 100L);
  curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, 60L);
  curl_easy_setopt(c, CURLOPT_USERAGENT, "engine");
  curl_easy_setopt(c, CURLOPT_ERRORBUFFER, message);
  curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, &Transfer::receive);
  curl_easy_setopt(c, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, &Transfer::report);
  curl_easy_setopt(c, CURLOPT_XFERINFODATA, &transfer);
  if (transfer.start > 0) {
    curl_easy_setopt(c, CURLOPT_RESUME_FROM_LARGE, static_cast<curl_off_t>(transfer.start));
  }
  return curl;
}

/// Gets what is missing of the file. Throws unless the part file then is as long as it should be.
void transfer_rest(const Download& download, PartFile& part, const DownloadProgress& progress) {
  char message[CURL_ERROR_SIZE] = {};
  Transfer transfer{part, download, progress, part.size()};
  const Handle curl = make_handle(download, transfer, message);
  const CURLcode code = curl_easy_perform(curl.get());
  if (transfer.disk_failed) {
    errno = transfer.disk_error;
    part.storage_error("write");
  }
  if (transfer.stopped) {
    fail(ExitCode::stopped, "{}: stopped after {}; run again to go on", download.url,
         human_bytes(part.size()));
  }
  if (transfer.too_long) {
    part.remove();
    fail(ExitCode::data,
         "{}: the server sends more than the expected {} bytes: not the file wanted", download.url,
         download.bytes);
  }
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  // The server always starts from the beginning, or has less than what an earlier attempt left
  // (416, which libcurl takes for "complete already").
  if (transfer.start > 0 && (code == CURLE_RANGE_ERROR || status == 416)) {
    part.clear();
    return transfer_rest(download, part, progress);
  }
  if (code == CURLE_HTTP_RETURNED_ERROR) {
    fail(ExitCode::data, "{}: the server answers with status {}", download.url, status);
  }
  if (code != CURLE_OK) {
    fail(ExitCode::data, "{}: {}{}", download.url, message[0] ? message : curl_easy_strerror(code),
         part.size() > 0
             ? fmt::format("; {} are kept, run again to go on", human_bytes(part.size()))
             : "");
  }
  if (download.bytes > 0 && part.size() < download.bytes) {
    fail(ExitCode::data, "{}: the server sent {} bytes of {}; run again to go on", download.url,
         part.size(), download.bytes);
  }
}

}  // namespace

std::string sha256_of_file(const std::string& path) {
  InputFile file(path, ExitCode::data);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) {
    fail(ExitCode::internal, "OpenSSL has no SHA-256");
  }
  std::vector<char> buffer(size_t{1} << 18);
  for (uint64_t left = file.size(); left > 0;) {
    const size_t bytes = std::min<uint64_t>(left, buffer.size());
    file.read(buffer.data(), bytes);
    EVP_DigestUpdate(context.get(), buffer.data(), bytes);
    left -= bytes;
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(context.get(), digest, &size);
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

Download cifar10_download(const std::string& data_dir) {
  return {Cifar10::kUrl, data_dir + "/" + Cifar10::kArchive, Cifar10::kSha256,
          Cifar10::kArchiveBytes};
}

bool fetch(const Download& download, const DownloadProgress& progress) {
  if (!is_local(download.url) && !download.url.starts_with("https://")) {
    fail(ExitCode::usage, "\"{}\": expected an https:// address", download.url);
  }
  if (exists(download.path) && sha256_of_file(download.path) == download.sha256) return false;
  const size_t slash = download.path.rfind('/');
  if (slash != std::string::npos && slash > 0) {
    make_folders(real_files(), download.path.substr(0, slash));
  }
  const std::string part_path = download.path + ".part";
  PartFile part(part_path);
  if (download.bytes > 0 && part.size() > download.bytes) part.clear();
  for (;;) {
    const bool resumed = part.size() > 0;
    if (download.bytes == 0 || part.size() < download.bytes)
      transfer_rest(download, part, progress);
    const std::string found = sha256_of_file(part_path);
    if (found == download.sha256) break;
    if (!resumed) {
      part.remove();
      fail(ExitCode::data,
           "{}: has the SHA-256 {}, expected {}: damaged on the way, or another file", download.url,
           found, download.sha256);
    }
    part.clear();  // the beginning was of something else: once more, from the start
  }
  part.become(download.path);
  return true;
}

}  // namespace engine
