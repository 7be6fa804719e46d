// Downloads from a server in this process: interruptions, resuming, wrong content.

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "engine/core/file.h"
#include "engine/data/fetch.h"
#include "tests/data/cifar10_support.h"
#include "tests/data/local_server.h"
#include "tests/support/paths.h"

namespace engine::test {
namespace {

std::string content() {
  std::string bytes(100'000, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31 + i / 251);
  return bytes;
}

/// The offset of "Range: bytes=N-", or 0.
size_t range_of(const std::string& request) {
  const size_t place = request.find("Range: bytes=");
  return place == std::string::npos ? 0 : std::stoul(request.substr(place + 13));
}

/// What a good server answers, cut after so many bytes of the body.
std::string serve(const std::string& body, const std::string& request,
                  size_t cut = std::string::npos) {
  const size_t from = range_of(request);
  if (from > body.size()) return "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n";
  std::string head =
      from == 0 ? "HTTP/1.1 200 OK\r\n"
                : fmt::format("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {}-{}/{}\r\n",
                              from, body.size() - 1, body.size());
  head += fmt::format("Content-Length: {}\r\n\r\n", body.size() - from);
  return head + body.substr(from, cut);
}

class Fetch : public testing::Test {
 protected:
  Download download(const LocalServer& server, const std::string& path = "/file") {
    write_bytes(folder_ / "expected", content());
    return {server.url(path), path_, sha256_of_file(folder_ / "expected"), content().size()};
  }
  std::string error_of(const Download& wanted) {
    return data_error([&] { fetch(wanted); });
  }
  void expect_nothing_under_its_name() const { EXPECT_FALSE(exists(path_)); }

  TemporaryFolder folder_;
  std::string path_ = folder_ / "deep/folder/file.bin";
};

TEST_F(Fetch, GetsAFileAndKnowsItTheNextTime) {
  LocalServer server([](const std::string& request) { return serve(content(), request); });
  const Download wanted = download(server);
  uint64_t last = 0, total = 0;
  EXPECT_TRUE(fetch(wanted, [&](uint64_t done, uint64_t all) {
    EXPECT_FALSE(exists(path_));
    EXPECT_GE(done, last);
    last = done;
    total = all;
    return true;
  }));
  EXPECT_EQ(read_text(path_), content());
  EXPECT_EQ(total, content().size());
  EXPECT_FALSE(exists(path_ + ".part"));
  EXPECT_FALSE(fetch(wanted));
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST_F(Fetch, ResumesAfterACutAtAnyOffset) {
  const size_t size = content().size();
  for (size_t i = 0; i < 25; ++i) {
    const size_t cut = i < 3 ? i : i < 22 ? i * size / 23 : size - (i - 21);
    bool first = true;
    LocalServer server([&](const std::string& request) {
      const bool was_first = std::exchange(first, false);
      return serve(content(), request, was_first ? cut : std::string::npos);
    });
    const Download wanted = download(server);
    const std::string message = error_of(wanted);
    if (cut > 0) expect_contains(message, "run again to go on");
    expect_nothing_under_its_name();
    EXPECT_TRUE(fetch(wanted));
    EXPECT_EQ(read_text(path_), content());
    ASSERT_EQ(server.requests().size(), 2u);
    EXPECT_EQ(range_of(server.requests()[1]), cut);
    std::filesystem::remove(path_);
  }
}

TEST_F(Fetch, StartsOverWhereTheServerCannotResume) {
  write_bytes(path_ + ".part", content().substr(0, 5000));
  LocalServer server([](const std::string&) { return serve(content(), ""); });
  EXPECT_TRUE(fetch(download(server)));
  EXPECT_EQ(read_text(path_), content());
}

TEST_F(Fetch, StartsOverWhenTheServerHasLess) {
  write_bytes(path_ + ".part", content().substr(0, 5000));
  LocalServer server([](const std::string& request) {
    return range_of(request) ? "HTTP/1.1 416 No\r\nContent-Length: 0\r\n\r\n"
                             : serve(content(), "");
  });
  EXPECT_TRUE(fetch(download(server)));
  EXPECT_EQ(read_text(path_), content());
}

TEST_F(Fetch, StartsOverWhenTheOldPartIsOfAnotherFile) {
  write_bytes(path_ + ".part", std::string(5000, 'x'));
  LocalServer server([](const std::string& request) { return serve(content(), request); });
  EXPECT_TRUE(fetch(download(server)));
  EXPECT_EQ(read_text(path_), content());
  EXPECT_EQ(server.requests().size(), 2u);
  // As long as the file already, or longer.
  for (const size_t length : {content().size(), content().size() + 10}) {
    std::filesystem::remove(path_);
    write_bytes(path_ + ".part", std::string(length, 'x'));
    EXPECT_TRUE(fetch(download(server)));
    EXPECT_EQ(read_text(path_), content());
  }
}

TEST_F(Fetch, ReplacesAFileThatIsWrong) {
  write_bytes(path_, "something else");
  LocalServer server([](const std::string& request) { return serve(content(), request); });
  EXPECT_TRUE(fetch(download(server)));
  EXPECT_EQ(read_text(path_), content());
}

TEST_F(Fetch, RefusesWrongBytes) {
  std::string wrong = content();
  wrong[77'777] ^= 1;
  LocalServer server([&](const std::string& request) { return serve(wrong, request); });
  expect_contains(error_of(download(server)), "SHA-256");
  expect_nothing_under_its_name();
  EXPECT_FALSE(exists(path_ + ".part"));
}

TEST_F(Fetch, RefusesWrongLengths) {
  {
    LocalServer server([](const std::string& request) { return serve(content() + "x", request); });
    expect_contains(error_of(download(server)), "more than the expected");
    expect_nothing_under_its_name();
    EXPECT_FALSE(exists(path_ + ".part"));
  }
  LocalServer server(
      [](const std::string& request) { return serve(content().substr(0, 99'000), request); });
  expect_contains(error_of(download(server)), "sent 99000 bytes of 100000");
  expect_nothing_under_its_name();
}

TEST_F(Fetch, RefusesErrorsOfTheServer) {
  for (const int status : {404, 403, 500, 503}) {
    LocalServer server([&](const std::string&) {
      return fmt::format("HTTP/1.1 {} No\r\nContent-Length: 5\r\n\r\nerror", status);
    });
    expect_contains(error_of(download(server)), fmt::format("status {}", status));
    expect_nothing_under_its_name();
  }
  {
    LocalServer server([](const std::string&) { return std::string(); });
    EXPECT_FALSE(error_of(download(server)).empty());
  }
  {
    LocalServer server([](const std::string&) { return std::string("this is not http\r\n\r\n"); });
    EXPECT_FALSE(error_of(download(server)).empty());
  }
  std::string url;
  {
    LocalServer server([](const std::string&) { return std::string(); });
    url = server.url();
  }
  expect_contains(error_of({url, path_, std::string(64, '0'), 5}), "127.0.0.1");
}

TEST_F(Fetch, FollowsRedirectsButNotToOtherProtocols) {
  LocalServer server([](const std::string& request) {
    const auto redirect = [](const std::string& to) {
      return fmt::format("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", to);
    };
    if (request.starts_with("GET /moved")) return redirect("/file");
    if (request.starts_with("GET /disk")) return redirect("file:///etc/hostname");
    if (request.starts_with("GET /ftp")) return redirect("ftp://127.0.0.1/file");
    if (request.starts_with("GET /loop")) return redirect("/loop");
    return serve(content(), request);
  });
  for (const char* path : {"/disk", "/ftp", "/loop"}) {
    EXPECT_FALSE(error_of(download(server, path)).empty());
    expect_nothing_under_its_name();
  }
  EXPECT_TRUE(fetch(download(server, "/moved")));
  EXPECT_EQ(read_text(path_), content());
}

TEST_F(Fetch, RefusesAddressesWithoutHttps) {
  for (const char* url :
       {"http://example.org/file", "ftp://127.0.0.1/file", "file:///etc/hostname", "",
        "http://127.0.0.1.example.org/", "http://127.0.0.1:80@example.org/"}) {
    try {
      fetch({url, path_, std::string(64, '0'), 0});
      ADD_FAILURE() << url;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage) << url;
    }
  }
}

TEST_F(Fetch, StopsWhenAskedTo) {
  LocalServer server([](const std::string& request) { return serve(content(), request); });
  const Download wanted = download(server);
  try {
    fetch(wanted, [](uint64_t, uint64_t) { return false; });
    ADD_FAILURE() << "not stopped";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::stopped);
  }
  expect_nothing_under_its_name();
  EXPECT_TRUE(fetch(wanted));
}

TEST_F(Fetch, OneProcessAtATime) {
  LocalServer server([](const std::string& request) { return serve(content(), request); });
  write_bytes(path_ + ".part", "");
  const int other = open((path_ + ".part").c_str(), O_RDWR);
  ASSERT_EQ(flock(other, LOCK_EX | LOCK_NB), 0);
  try {
    fetch(download(server));
    ADD_FAILURE() << "not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::busy);
  }
  close(other);
  EXPECT_TRUE(fetch(download(server)));
}

TEST_F(Fetch, KnowsTheOfficialArchive) {
  const Download official = cifar10_download("data");
  EXPECT_TRUE(official.url.starts_with("https://"));
  EXPECT_EQ(official.path, "data/cifar-10-binary.tar.gz");
  EXPECT_EQ(official.sha256.size(), 64u);
  EXPECT_EQ(official.bytes, 170052171u);
}

TEST(Sha256, KnownAnswers) {
  // FIPS 180-2, appendix B.
  TemporaryFolder folder;
  write_bytes(folder / "abc", "abc");
  EXPECT_EQ(sha256_of_file(folder / "abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  write_bytes(folder / "a", std::string(1'000'000, 'a'));
  EXPECT_EQ(sha256_of_file(folder / "a"),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

}  // namespace
}  // namespace engine::test
