# cmake --install: libraries, headers and their tables, programs, man pages, styx.pc and find_package(styx).
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/styx)

install(TARGETS styx_shared styx_static EXPORT styxTargets)
install(TARGETS styxd styx_cli styxbench)
install(EXPORT styxTargets NAMESPACE styx:: DESTINATION ${package_dir})
install(DIRECTORY lib/include/styx ${PROJECT_BINARY_DIR}/include/styx DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h" PATTERN "*.def")
install(FILES LICENSE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
foreach(section IN ITEMS 1 3 5 7 8)
  file(GLOB pages CONFIGURE_DEPENDS lib/man/*.${section} server/man/*.${section})
  install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()

configure_package_config_file(lib/cmake/styxConfig.cmake.in ${PROJECT_BINARY_DIR}/styxConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/styxConfigVersion.cmake COMPATIBILITY SameMinorVersion)
# The prefix is found from where styx.pc lies, so that an installed tree can be moved.
file(RELATIVE_PATH prefix_of_pc /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(lib/cmake/styx.pc.in ${PROJECT_BINARY_DIR}/styx.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/styxConfig.cmake ${PROJECT_BINARY_DIR}/styxConfigVersion.cmake
  DESTINATION ${package_dir})
install(FILES ${PROJECT_BINARY_DIR}/styx.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
