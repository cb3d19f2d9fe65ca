// A folder of a test's own, gone with it.
#ifndef ERGO_TESTS_FORMATS_TEMP_FOLDER_H_
#define ERGO_TESTS_FORMATS_TEMP_FOLDER_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <span>
#include <sstream>
#include <string>
#include <string_view>

namespace ergo {

class TempFolder {
 public:
  TempFolder() {
    std::string name = ::testing::TempDir() + "/ergo-test-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  std::string Path(std::string_view file = "") const { return (path_ / file).string(); }
  std::string Write(std::string_view file, std::string_view text) const {
    std::ofstream(path_ / file, std::ios::binary) << text;
    return Path(file);
  }
  std::string Read(std::string_view file) const {
    std::ostringstream text;
    text << std::ifstream(path_ / file, std::ios::binary).rdbuf();
    return text.str();
  }

 private:
  std::filesystem::path path_;
};

}  // namespace ergo

#endif  // ERGO_TESTS_FORMATS_TEMP_FOLDER_H_
