#include "formats/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "formats/utf8.h"
#include "tests/formats/temp_folder.h"

namespace ergo {
namespace {

using ::testing::HasSubstr;

TEST(MappedFile, MapsWholeRegularFiles) {
  TempFolder folder;
  folder.Write("a", "hello");
  folder.Write("empty", "");
  auto file = MappedFile::Open(folder.Path("a"), 5);
  ASSERT_TRUE(file.ok());
  ASSERT_EQ((*file)->Bytes().size(), 5u);
  EXPECT_EQ((*file)->Bytes()[4], std::byte{'o'});
  file = MappedFile::Open(folder.Path("empty"), 5);
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE((*file)->Bytes().empty());

  EXPECT_EQ(MappedFile::Open(folder.Path("a"), 4).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(MappedFile::Open(folder.Path("none"), 4).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(MappedFile::Open(folder.Path(), 4).status().code(), StatusCode::kInvalidArgument);
  ASSERT_EQ(mkfifo(folder.Path("fifo").c_str(), 0600), 0);
  EXPECT_EQ(MappedFile::Open(folder.Path("fifo"), 4).status().code(), StatusCode::kInvalidArgument);
}

TEST(FileWriter, NobodySeesHalfAFile) {
  TempFolder folder;
  folder.Write("a", "old");
  {
    auto writer = FileWriter::Create(folder.Path("a"));
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(writer->Write("new").ok());
    ASSERT_TRUE(writer->Align(8).ok());
    EXPECT_EQ(writer->Offset(), 8);
    EXPECT_EQ(folder.Read("a"), "old");
    ASSERT_TRUE(writer->Commit().ok());
  }
  EXPECT_EQ(folder.Read("a"), std::string("new\0\0\0\0\0", 8));
  {
    auto writer = FileWriter::Create(folder.Path("a"));
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(writer->Write("never committed").ok());
  }
  EXPECT_EQ(folder.Read("a").size(), 8u);
  std::filesystem::remove(folder.Path("a"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.Path()));
  EXPECT_THAT(FileWriter::Create(folder.Path("no/such")).status().ToString(),
              HasSubstr("NOT_FOUND"));
}

TEST(Utf8, WellFormedOnly) {
  for (const char* text : {"", "plain", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                           "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "a\xc3\xa9z"}) {
    EXPECT_TRUE(IsUtf8(text)) << text;
  }
  for (const char* text : {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2z", "\xe0\x9f\xbf",
                           "\xe1\x80", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                           "\xf5\x80\x80\x80", "\xff", "\xe1\x80z", "\xf1\x80\x80", "ok\xc3"}) {
    EXPECT_FALSE(IsUtf8(text)) << text;
  }
}

}  // namespace
}  // namespace ergo
