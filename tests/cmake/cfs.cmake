# SPDX-License-Identifier: GPL-2.0
#
# Helpers of the hosted build.

# cfs_folder(DIRECTORY NAME HEADER [EXCLUDE_FROM_ALL]): adds a folder of the tree if it has a CMakeLists.txt.
# With CFS_PCH its targets use a precompiled header of cmake/.
function(cfs_folder dir name header)
	if(EXISTS ${dir}/CMakeLists.txt)
		add_subdirectory(${dir} ${CMAKE_BINARY_DIR}/${name} ${ARGN})
		if(CFS_PCH)
			cfs_precompile(${dir} ${CMAKE_CURRENT_SOURCE_DIR}/cmake/${header}.hpp ${header})
		endif()
	endif()
endfunction()

# cfs_test(NAME SOURCES... [LIBS libraries...] [LABELS labels...]): one GoogleTest program that ctest
# runs as a whole; its own test cases are what `make check` counts. Libraries that do not exist (yet)
# are an error unless given as OPTIONAL. The time limit is for what hangs: beside other suites a test gets a
# small part of a slow machine.
function(cfs_test name)
	cmake_parse_arguments(T "" "" "LIBS;OPTIONAL;LABELS" ${ARGN})
	add_executable(${name} ${T_UNPARSED_ARGUMENTS})
	target_link_libraries(${name} PRIVATE ${T_LIBS})
	foreach(lib ${T_OPTIONAL})
		if(TARGET ${lib})
			target_link_libraries(${name} PRIVATE ${lib})
		endif()
	endforeach()
	target_link_libraries(${name} PRIVATE GTest::gtest_main Threads::Threads)
	add_test(NAME ${name} COMMAND ${name})
	set_tests_properties(${name} PROPERTIES TIMEOUT 1200 LABELS "${T_LABELS}")
	cfs_check_returned_frames(${name})
endfunction()

# cfs_check_returned_frames(TEST): AddressSanitizer finds uses of a frame's variables after its return. Each
# fiber of a simulation costs megabytes then, so simulations of whole clusters do without: they take a third
# of the time. Tests that are added without this have it, too, where ASAN_OPTIONS ask for it, as in `make
# check-full`.
function(cfs_check_returned_frames test)
	if(CFS_SANITIZER STREQUAL "asan")
		set_tests_properties(${test} PROPERTIES ENVIRONMENT_MODIFICATION
			ASAN_OPTIONS=string_append:detect_stack_use_after_return=1:)
	endif()
endfunction()

# cfs_unit_tests(AREA libraries...): all of tests/unit/AREA_*_test.cpp as one program, unit_AREA.
function(cfs_unit_tests area)
	file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${area}_test.cpp
		${CMAKE_CURRENT_SOURCE_DIR}/${area}_*_test.cpp)
	if(sources)
		cfs_test(unit_${area} ${sources} OPTIONAL ${ARGN} LABELS unit)
	endif()
endfunction()

# cfs_precompile(FOLDER HEADER NAME): every target defined in a folder, and in folders added by it, uses
# one precompiled header.
function(cfs_precompile folder header name)
	if(NOT TARGET ${name})
		file(WRITE ${CMAKE_BINARY_DIR}/${name}.cpp "")
		add_library(${name} OBJECT ${CMAKE_BINARY_DIR}/${name}.cpp)
		target_precompile_headers(${name} PRIVATE ${header})
		if(CCACHE)
			# A precompiled header knows its headers by their contents, comments too; only in this mode
			# ccache compares those, and not the preprocessor's output.
			set_target_properties(${name} PROPERTIES CXX_COMPILER_LAUNCHER
				"env;CCACHE_DEPEND=1;CCACHE_SLOPPINESS=pch_defines,time_macros;${CCACHE}")
		endif()
	endif()
	get_property(targets DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
	foreach(target ${targets})
		get_target_property(type ${target} TYPE)
		if(type MATCHES "STATIC_LIBRARY|OBJECT_LIBRARY|EXECUTABLE")
			target_precompile_headers(${target} REUSE_FROM ${name})
		endif()
	endforeach()
	get_property(folders DIRECTORY ${folder} PROPERTY SUBDIRECTORIES)
	foreach(sub ${folders})
		cfs_precompile(${sub} ${header} ${name})
	endforeach()
endfunction()
