# Device code: every kernels/FAMILY/FAMILY_cuda.cu becomes one fat binary, which is embedded in the
# library (kernels/cuda/embedded_modules.h). nvcc is asked for device code only: no host code goes
# through it. Without nvcc, and in sanitized and fuzzed builds, the table of modules is empty; the
# host's side of the kernels is built and tested in any case.
set(ERGO_CUDA "AUTO" CACHE STRING "Compile device code: ON, OFF, or AUTO (where there is nvcc)")
set(ERGO_CUDA_ARCHITECTURES "80;86;89;90a" CACHE STRING
  "Architectures to compile device code for; the PTX of the first goes with it, for newer ones")

set(ERGO_NVCC OFF)
if(ERGO_CUDA AND NOT ERGO_SANITIZE AND NOT ERGO_FUZZ)
  find_program(ERGO_NVCC_PROGRAM nvcc PATHS /usr/local/cuda/bin)
  if(ERGO_NVCC_PROGRAM)
    set(ERGO_NVCC ON)
    get_filename_component(real ${ERGO_NVCC_PROGRAM} REALPATH)
    get_filename_component(bin ${real} DIRECTORY)
    get_filename_component(ERGO_CUDA_ROOT ${bin} DIRECTORY)
    find_path(ERGO_CUDNN_INCLUDE cudnn_backend.h PATHS ${ERGO_CUDA_ROOT}/include)
    message(STATUS "Device code by ${real} for ${ERGO_CUDA_ARCHITECTURES}")
  elseif(NOT ERGO_CUDA STREQUAL "AUTO")
    message(FATAL_ERROR "ERGO_CUDA is ${ERGO_CUDA}, but there is no nvcc")
  else()
    message(STATUS "No nvcc: built without device code")
  endif()
endif()

# ergo_add_cuda_modules(TARGET): embeds all device code below this folder.
function(ergo_add_cuda_modules target)
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/cuda)
  set(images)
  set(declarations)
  set(rows)
  if(ERGO_NVCC)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS *_cuda.cu)
    list(SORT sources)
    set(targets)
    foreach(architecture ${ERGO_CUDA_ARCHITECTURES})
      list(APPEND targets -gencode arch=compute_${architecture},code=sm_${architecture})
    endforeach()
    list(GET ERGO_CUDA_ARCHITECTURES 0 oldest)
    list(APPEND targets -gencode arch=compute_${oldest},code=compute_${oldest})
  endif()
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    string(REGEX REPLACE "_cuda$" "" name ${name})
    set(image ${folder}/${name}.fatbin)
    # What ptxas says of registers and spills is kept beside it, for tests/kernels/cuda.
    add_custom_command(OUTPUT ${image}
      COMMAND sh ${PROJECT_SOURCE_DIR}/kernels/cuda/compile_module.sh ${image}
        ${ERGO_NVCC_PROGRAM} -fatbin -std=c++20 -O3 --expt-relaxed-constexpr
        -I ${PROJECT_SOURCE_DIR} ${targets} -ccbin ${CMAKE_CXX_COMPILER}
        -MD -MF ${image}.d ${source} -o ${image}
      DEPENDS ${source} ${PROJECT_SOURCE_DIR}/kernels/cuda/compile_module.sh
      DEPFILE ${image}.d
      COMMENT "Compiling device code of ${name}"
      VERBATIM)
    list(APPEND images ${image})
    string(APPEND declarations
      "asm(\".section .rodata\\n.balign 64\\nergo_module_${name}:\\n\"\n"
      "    \".incbin \\\"${image}\\\"\\n\"\n"
      "    \"ergo_module_${name}_end:\\n.byte 0\\n.previous\\n\");\n"
      "extern \"C\" const std::byte ergo_module_${name}[], ergo_module_${name}_end[];\n")
    string(APPEND rows
      "    {\"${name}\", {ergo_module_${name}, ergo_module_${name}_end}},\n")
  endforeach()
  if(rows)
    set(table "  static const EmbeddedModule kModules[] = {\n${rows}  };\n  return kModules;\n")
  else()
    set(table "  return {};\n")
  endif()
  set(generated ${folder}/embedded_modules.cc)
  file(CONFIGURE OUTPUT ${generated} @ONLY CONTENT
"#include \"kernels/cuda/embedded_modules.h\"\n
@declarations@
namespace ergo::cuda {\n
std::span<const EmbeddedModule> EmbeddedModules() {\n@table@}\n
}  // namespace ergo::cuda\n")
  set_source_files_properties(${generated} PROPERTIES OBJECT_DEPENDS "${images}")
  target_sources(${target} PRIVATE ${generated})
  target_link_libraries(${target} PUBLIC ${CMAKE_DL_LIBS})
  # For the tests: whether there is device code in this build.
  set(ERGO_DEVICE_CODE ${ERGO_NVCC} CACHE INTERNAL "")
  # Only what speaks to CUDA sees its headers.
  set(speakers cuda/libcuda.cc cuda/cublas_lt.cc cuda/cudnn.cc)
  if(ERGO_NVCC)
    set_property(SOURCE ${speakers} APPEND PROPERTY COMPILE_DEFINITIONS ERGO_HAVE_CUDA=1)
    set_property(SOURCE ${speakers} APPEND PROPERTY COMPILE_OPTIONS
      -isystem ${ERGO_CUDA_ROOT}/include)
  endif()
  if(ERGO_NVCC AND ERGO_CUDNN_INCLUDE)
    set_property(SOURCE cuda/cudnn.cc APPEND PROPERTY COMPILE_DEFINITIONS ERGO_HAVE_CUDNN=1)
    set_property(SOURCE cuda/cudnn.cc APPEND PROPERTY COMPILE_OPTIONS
      -isystem ${ERGO_CUDNN_INCLUDE})
  endif()
endfunction()
