# cmake -D INPUT=page.html -D OUTPUT=page.cc -D HEADER=page.h -D NAME=kPage -P embed_file.cmake
# A text file as a constant of namespace ergo::tool, in a source file for the compiler.
file(READ ${INPUT} bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
string(REGEX REPLACE "((....... ?){16})" "\\1\n" bytes "${bytes}")
file(WRITE ${OUTPUT}
  "#include \"${HEADER}\"\n\nnamespace ergo::tool {\nnamespace {\n"
  "constexpr char kBytes[] = {${bytes}};\n}  // namespace\n\n"
  "const std::string_view ${NAME}(kBytes, sizeof(kBytes));\n\n}  // namespace ergo::tool\n")
